//! A private CA for an image registry: authority, leaf, trust bundles, lint, rotation.
