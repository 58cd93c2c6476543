enum CondenseRoom {}
