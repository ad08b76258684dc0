"""The ONNX Runtime server: its package is slm_onnx."""
