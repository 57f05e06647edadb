//! The graph: JSON, shapes, order.
