"""The figures of performance.md, measured side by side in one run."""
