//! Proof that a registry works: checks with evidence, negative controls, a pull on every node.
