//! What each node must hold to trust a registry: decided from facts, applied, journaled, undone.
