"""Forms in which exports write times and numbers, and the SQL expressions that read them."""
