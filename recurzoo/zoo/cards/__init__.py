"""Model cards, written from records and the catalog."""
