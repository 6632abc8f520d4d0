"""The five services; each a package that imports only the kernel."""
