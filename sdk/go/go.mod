module relrun

go 1.26
