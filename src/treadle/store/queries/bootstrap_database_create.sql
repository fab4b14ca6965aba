SELECT format('CREATE DATABASE %%I OWNER %%I TEMPLATE template0', %s::text, %s::text)
