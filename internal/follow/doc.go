// Package follow reads small files and reads them again when they have changed.
//
// Files are polled and compared by content. What tells of changes (inotify) follows
// no symbolic links, and Kubernetes replaces a link to the directory of what it mounts;
// well-kept software has come back from it to polling (controller-runtime's certwatcher,
// Kestrel, and certinel's advice). Times and sizes are not compared, as two certificates
// or keys often have the same size, and links may keep a time. To read some KiB each 2 s
// costs nothing that can be measured.
//
// Invariants:
//   - What is not good is told once per change, and what was read before stays.
//   - Nothing of a file's content is ever part of an error.
//
// Goroutines: none of its own; the caller's runs Files.Run.
package follow
