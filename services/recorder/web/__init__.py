"""The studio's HTTP edge: pages, and RPCs for them."""
