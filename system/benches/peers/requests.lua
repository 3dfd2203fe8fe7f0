-- Asks for the paths of a file, one after the other and over again. usage: wrk -s requests.lua URL -- FILE

local requests = {}
local number = 0

function init(args)
    for path in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
end

function request()
    number = number % #requests + 1
    return requests[number]
end
