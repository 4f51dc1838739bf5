//! Backbones and heads, each one file that builds a graph.
