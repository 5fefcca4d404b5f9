"""Embedders, chat models and OCR: adapters behind interfaces, imported when they are asked for."""

import os

# The official builds of ONNX Runtime otherwise write a device id into the home folder and report
# events to a server. It looks at this when it is imported, which happens only beneath this package.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
