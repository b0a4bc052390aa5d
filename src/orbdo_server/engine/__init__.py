"""Stages that read, ask the core, and write; each is a module of functions."""
