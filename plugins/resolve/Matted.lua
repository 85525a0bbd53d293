-- What Resolve's menu runs as "Matted (free edition)". Lua scripts are listed in every edition, Python's are not
-- (davinci-resolve-mcp saw none in the free 21.1). It touches nothing: it tells what to do.

local STEPS = "" -- the installer writes here what the plugin's page says of the free edition,
local PAGE = "" -- and where that page is

local function try(call, ...)
    local fine, answer = pcall(call, ...)
    if fine then
        return answer
    end
end

local function find_resolve()
    return resolve
        or try(function() return Resolve() end)
        or try(function() return bmd.scriptapp("Resolve") end)
        or try(function() return app:GetResolve() end)
end

local function main()
    local found = find_resolve()
    local product = found and try(function() return found:GetProductName() end) or "DaVinci Resolve"
    local version = found and try(function() return found:GetVersionString() end) or "of unknown version"
    local page = found and try(function() return found:GetCurrentPage() end) or "unknown"
    local is_studio = tostring(product):find("Studio", 1, true) ~= nil

    print("Matted in " .. tostring(product) .. " " .. tostring(version) .. ", page: " .. tostring(page))
    if is_studio then
        print("This is Studio: use Workspace > Scripts > Matted, which does all of it.")
        print("If it is not listed, Resolve finds no Python from 3.9 on; 'python install.py resolve' in matted's")
        print("folder says what to set.")
        return
    end
    print("This is the free edition. Matted works here with files and a watch folder; Resolve is not asked for anything.")
    print("")
    if STEPS == "" then
        print("Run 'python install.py resolve' in matted's folder: then the steps are here.")
        return
    end
    print(STEPS)
    print("The same as a page: " .. PAGE)
    try(function() bmd.openfileexternal("Open", PAGE) end)
end

main()
