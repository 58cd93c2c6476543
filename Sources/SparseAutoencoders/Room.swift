enum SparseAutoencodersRoom {}
