"""What carries calls: one method, `send(call) -> reply`."""

from supaqueue.transport.async_rest import AsyncRestTransport
from supaqueue.transport.opening import open_async_transport, open_transport
from supaqueue.transport.protocols import AsyncTransport, Transport
from supaqueue.transport.rest import RestTransport

__all__ = [
    "AsyncRestTransport",
    "AsyncTransport",
    "RestTransport",
    "Transport",
    "open_async_transport",
    "open_transport",
]
