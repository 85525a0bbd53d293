"""The report of a batch: one page for the morning, which needs nothing but a browser.

A shot is put in facts (``facts``), its numbers are laid out as plots (``plots``), its pictures are drawn from the
files on disk (``pictures``), and the templates make a page of it all (``writing``).
"""

from matted.batch.page.writing import refuse_foreign, write_page

__all__ = ["refuse_foreign", "write_page"]
