"""How the architectures of each paper are named; `recurzoo.registry.names` puts the grammars together."""
