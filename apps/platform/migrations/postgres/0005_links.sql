-- Who is connected is known by the process that holds the connection, and is gone with it: the links keep nothing here. Their schema
-- exists so that the numbers have no gap and that nobody else takes the name.
create schema links;
