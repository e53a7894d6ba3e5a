module page

go 1.21
