"""The built-in networks, one file for each kind; each file ends with the record that the catalogue lists."""
