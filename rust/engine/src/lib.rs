//! The data path: everything between the client's socket and the provider's.

