DELETE FROM gateway WHERE holder = $1
