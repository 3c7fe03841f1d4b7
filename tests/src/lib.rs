//! End-to-end, differential and fault tests live in `tests/`.
