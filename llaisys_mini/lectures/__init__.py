"""What lectures draw and compute with: figures in one style, small datasets."""
