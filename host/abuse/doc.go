// Package abuse floods a whole host with made-up tokens and codes, while Coder hangs on them and answers real ones. It
// measures memory, descriptors, and how long signed-in users wait. Its test has the build tag abuse, and `make abuse`
// runs it, in half a minute. It needs Linux.
package abuse
