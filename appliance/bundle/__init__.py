"""The thing on the USB stick: one signed file that carries the image, the installer and its Python."""
