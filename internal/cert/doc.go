// Package cert is the certificate that the hub's listener shows: read from two PEM
// files, and read again when they have changed.
//
// The files are polled and compared by content. What tells of changes (inotify) follows
// no symbolic links, and Kubernetes replaces a link to the directory of both files;
// well-kept software has come back from it to polling (controller-runtime's certwatcher,
// Kestrel, and certinel's advice). Times and sizes are not compared, as two certificates
// often have the same size, and links may keep a time. To read some KiB each 2 s costs
// nothing that can be measured.
//
// Invariants:
//   - A pair is shown only after its key was found to be the certificate's. What is not
//     good is told once, and the pair before stays.
//   - A handshake reads no file and waits for nothing.
//   - Nothing of the key's file is ever part of an error or a log line.
//
// Goroutines: none of its own; the caller's runs Source.Run.
package cert
