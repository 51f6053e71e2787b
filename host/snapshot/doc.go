// Package snapshot keeps what an instance was like at one moment, and takes it back
// to that.
//
// [Prepare] changes a module so that all that its instances keep can be reached: it
// exports the mutable globals, and takes the data out, which becomes the first
// [Image]. What is in memory is in a [Memory], which the host makes with a [Space]
// and gives to the runtime as its allocator. An image is taken of an instance once
// it has been initialised, and from then on instances begin as copies of it:
// [Memory.Reset] undoes whatever an execution has written.
//
// # How a memory is reset
//
// On Linux an image is a sealed file in memory, and instances map it privately, so
// that a page is copied only where it is written, and shared by all instances
// otherwise. The pages that were written are asked of the kernel, with the
// PAGEMAP_SCAN ioctl (Linux 6.7) or in /proc/self/pagemap, and copied back; where
// they are many, the kernel drops them. Where there is neither file, it drops all of
// them. On other systems a memory is an ordinary slice, and all of it is copied.
//
// # What cannot be reset
//
// Tables, and segments that an instruction drops, cannot be seen from outside. A
// module with an instruction that changes them must run in a new instance each time.
package snapshot
