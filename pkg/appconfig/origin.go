package appconfig

// position is where a value came from, kept beside it. Items of an array have positions of their own.
type position struct {
	from         *source
	line, column int32
	items        []position
}

// source is what values are read from: a file, a URL, a variable.
type source struct {
	path      string    // the file or URL; "" for the environment
	variables []string  // the variables that went into the text
	parent    *position // the $include or $file that brought it in
}
