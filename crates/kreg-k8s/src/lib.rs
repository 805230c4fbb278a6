//! The registry's Kubernetes objects as values: render, compare, apply, wait, prune.
