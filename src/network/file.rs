//! Reading and writing the file.
