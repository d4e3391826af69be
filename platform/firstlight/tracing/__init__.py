"""The way of items: from a request to an order in one trace, and what came of each way to be recommended."""
