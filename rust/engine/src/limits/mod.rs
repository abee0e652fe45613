//! What customers may use: the meters of all identities, shared by the cores.

pub mod book;
mod held;
mod shard;
mod sync;
