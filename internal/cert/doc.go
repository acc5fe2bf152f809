// Package cert is the certificate that the hub's listener shows: read from two PEM
// files, and read again when they have changed.
//
// Its files are followed as internal/follow says.
//
// Invariants:
//   - A pair is shown only after its key was found to be the certificate's. What is not
//     good is told once, and the pair before stays.
//   - A handshake reads no file and waits for nothing.
//   - Nothing of the key's file is ever part of an error or a log line.
//
// Goroutines: none of its own; the caller's runs Source.Run.
package cert
