"""Every pixel that touches a disk: plates and masks in, mattes out. OpenImageIO only; numpy arrays in and out."""
