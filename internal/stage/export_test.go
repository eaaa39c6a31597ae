package stage

var LimitTests = limitTests
