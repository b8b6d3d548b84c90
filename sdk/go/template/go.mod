module {{name}}

go 1.26

require relrun v0.0.0

replace relrun => ./vendor/relrun-sdk

ignore ./build
