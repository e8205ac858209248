// Package identity signs people in to Backstage who have signed in at Coder. Backstage identities are issued by the Node
// backend alone, with the sign-in resolvers of the app. It never talks to Coder and never sees Coder's tokens:
//
//  1. Relay.Identity makes a handle for a profile that was read from Coder just now, and asks the Node backend for a
//     refresh, with the handle in place of a refresh token.
//  2. The Node backend's Coder provider, whose deploymentUrl is the internal listener of this package, exchanges the
//     handle for an access token there, and reads the profile with it.
//  3. Its answer holds the identity, which is given to the app as it is.
//
// Whoever can make a handle decides who gets an identity. A handle is sealed with keys that are for nothing else, lives for
// ten seconds, is used once, and is for one environment. So is the access token.
package identity
