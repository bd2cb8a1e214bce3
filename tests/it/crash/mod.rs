//! Processes that are killed, files that end in the middle, disks that are full.

mod disk;
mod kill;
mod tail;
