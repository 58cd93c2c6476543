enum CondenseTestingRoom {}
