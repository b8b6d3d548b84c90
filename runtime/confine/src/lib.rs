//! Runs a host command held by namespaces and Landlock, and ends its whole process tree.
