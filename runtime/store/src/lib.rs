//! The run store and the blob store behind two narrow traits.
