"""A parity report as one HTML page that works offline."""

from supaqueue.cutover.parity.page.render import page_of

__all__ = ["page_of"]
