module changelog

go 1.26

require relrun v0.0.0

replace relrun => ../

ignore ./build
