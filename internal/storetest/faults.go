package storetest

var faultProperties = []property{}
