"""Helpers of the tests: real servers, real processes."""
