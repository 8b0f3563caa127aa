"""What runs a model's graph: OpenVINO, ONNX Runtime or torch, behind one protocol."""
