"""How the architectures of each paper are named; `recurzoo.catalog.names` puts the grammars together."""
